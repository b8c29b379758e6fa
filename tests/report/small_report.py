"""Two tiny runs side by side: what the tests of the report share."""

TINY = ["--image-size", "16", "--width", "4", "--steps", "30"]
ODD = "b <i>$x_1$ & so on"  # a folder may be called so
N = 256
