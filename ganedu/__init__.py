"""ganedu: the helpers behind the course on generative adversarial networks."""
