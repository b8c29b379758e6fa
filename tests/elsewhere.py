"""A device that is really the CPU and refuses to be mixed with it: what it catches here, a GPU would have caught there.

Continuous integration has no GPU, so a tensor left behind on the CPU is first met by whoever runs a notebook on one.
Tensors on "elsewhere" hold their numbers in a tensor on the CPU, `raw`; every operation is done there, after a look at
where its inputs say that they are:

    with Pretend():
        G.to("elsewhere")
        G(torch.randn(8, 16))  # RuntimeError: two devices

As on CUDA, a number (no axes) may come from the CPU, and so may the index of a tensor elsewhere; a generator of the
CPU may not draw there. It rests on a function of torch (2.9 or later) that is experimental: see `missing`.
"""

import functools

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as tree
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode

NAME = "elsewhere"
aten = torch.ops.aten
ALIKE = {aten.cat.default, aten.stack.default}  # even numbers without axes must be of one device
INDEXED = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default}


def missing() -> bool:
    """Whether this torch cannot make devices of Python."""
    return not hasattr(backend_registration, "_setup_privateuseone_for_python_backend")


class _Module:
    """What torch asks of a device's module; random numbers are the CPU's."""

    _is_in_bad_fork = staticmethod(lambda: False)
    is_available = is_initialized = staticmethod(lambda: True)
    device_count = staticmethod(lambda: 1)
    current_device = staticmethod(lambda: 0)
    manual_seed_all = manual_seed = staticmethod(lambda seed: None)
    get_rng_state = staticmethod(lambda device=None: torch.get_rng_state())
    set_rng_state = staticmethod(lambda state, device=None: None)
    get_amp_supported_dtype = staticmethod(lambda: [torch.bfloat16])


@functools.cache
def _register() -> None:
    backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=_Module())


class Elsewhere(torch.Tensor):
    """A tensor on the pretended device; `raw` lies on the CPU and holds the numbers."""

    @staticmethod
    def __new__(cls, raw: torch.Tensor):
        like = {"strides": raw.stride(), "storage_offset": raw.storage_offset(), "dtype": raw.dtype}
        made = torch.Tensor._make_wrapper_subclass(cls, raw.size(), **like, device=f"{NAME}:0", requires_grad=False)
        made.raw = raw
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, dict(kwargs or {}))


class _Constructors(TorchFunctionMode):
    """torch.tensor and torch.as_tensor, which no dispatch sees: made on the CPU, then moved."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func not in (torch.tensor, torch.as_tensor) or torch.device(kwargs.get("device") or "cpu").type != NAME:
            return func(*args, **kwargs)
        device = kwargs.pop("device")
        return func(*args, **kwargs).to(device)


class Pretend(TorchDispatchMode):
    """Inside, the device "elsewhere" is there; modules keep their parameters when they move, so optimisers do too."""

    def __enter__(self):
        _register()
        self.before = torch.__future__.get_swap_module_params_on_conversion()
        torch.__future__.set_swap_module_params_on_conversion(True)
        self.constructors = _Constructors()
        self.constructors.__enter__()
        self.threads = torch.autograd.set_multithreading_enabled(False)  # another thread would be outside
        return super().__enter__()

    def __exit__(self, *error):
        torch.__future__.set_swap_module_params_on_conversion(self.before)
        torch.autograd.set_multithreading_enabled(self.threads.prev)
        self.constructors.__exit__(*error)
        return super().__exit__(*error)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, dict(kwargs or {}))


def _raw(x):
    return x.raw if isinstance(x, Elsewhere) else x


def _run(func, args: tuple, kwargs: dict):
    tensors = [a for a in tree.tree_leaves((args, kwargs)) if isinstance(a, torch.Tensor)]
    here = [a for a in tensors if isinstance(a, Elsewhere)]
    copies = func in (aten.copy_.default, aten._to_copy.default)
    if not copies:
        _check(func, args, tensors)
    device = kwargs.get("device")
    there = bool(here) if device is None else torch.device(device).type == NAME
    if there and kwargs.get("generator") is not None:
        raise RuntimeError(f"{func}: expected a generator on {NAME}, found one on the CPU")
    if device is not None:
        kwargs["device"] = "cpu"
    out = func(*tree.tree_map(_raw, args), **tree.tree_map(_raw, kwargs))
    if func is aten.copy_.default:
        return args[0]
    known = {id(a.raw): a for a in here}  # what an operation in place gives back is what it was given

    def wrap(o):
        return known.get(id(o), Elsewhere(o) if there else o) if isinstance(o, torch.Tensor) else o

    return tree.tree_map(wrap, out)


def _check(func, args: tuple, tensors: list) -> None:
    """Raise RuntimeError where CUDA would: for tensors on two devices."""
    if func in INDEXED:  # an index may come from the CPU, where what is indexed does not lie
        own = isinstance(args[0], Elsewhere)
        stray = [] if own else [a for a in tree.tree_leaves(args[1:]) if isinstance(a, Elsewhere)]
        values = [a for a in args[2:3] if a.ndim and isinstance(a, Elsewhere) != own]
        mixed = bool(stray or values)
    else:
        matter = tensors if func in ALIKE else [a for a in tensors if a.ndim]
        there = [a for a in matter if isinstance(a, Elsewhere)] or [a for a in tensors if isinstance(a, Elsewhere)]
        mixed = bool(there) and any(not isinstance(a, Elsewhere) for a in matter)
    if mixed:
        seen = ", ".join(f"{tuple(a.shape)} on {a.device}" for a in tensors)
        raise RuntimeError(f"{func}: tensors on two devices: {seen}")
