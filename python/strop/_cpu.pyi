# The compiled kernels. `strop.ops` has their typed signatures; nothing else of the package should call them by keyword.
from typing import Any

def __getattr__(name: str) -> Any: ...
