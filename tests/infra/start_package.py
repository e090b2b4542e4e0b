"""Starts an unzipped package as the Functions host does and asks it something: run by a Python that has nothing else.

    python -I start_package.py <package> <folder of devhost> <method> <path> [<token>]

Prints a JSON object: how long the start and the first answer took, in ms; the status; which modules had no bytecode.
"""

import asyncio
import importlib.machinery
import json
import sys
import time
from pathlib import Path
from types import CodeType

compiled_here: list[str] = []


class Watch(importlib.machinery.SourceFileLoader):
    """Notes what had to be compiled, because there was no bytecode that holds."""

    # The stubs know two methods of this name, one of them static: nothing fits both.
    def source_to_code(self, data: bytes, path: str, *, _optimize: int = -1) -> CodeType:  # type: ignore[override]
        compiled_here.append(path)
        return super().source_to_code(data, path, _optimize=_optimize)


async def start(package: Path, method: str, path: str, token: str) -> dict[str, object]:
    begun = time.perf_counter()
    from devhost import worker  # noqa: PLC0415 -- the runtime that it drives is the package's own

    functions = (await worker.start(package)).functions
    started = time.perf_counter()
    function = next(function for function in functions if function.name == "users")
    headers = {"authorization": f"Bearer {token}", "content-type": "application/scim+json"}
    body = b'{"userName": "first@example.com"}' if method == "POST" else b""
    request = worker.FunctionRequest(method, f"https://scim.example.com{path}", headers, {}, {}, body)
    answer = await worker.invoke(function, request)
    ended = time.perf_counter()
    worker.stop()
    return {
        "start_ms": round((started - begun) * 1000),
        "answer_ms": round((ended - started) * 1000),
        "status": answer.status,
        "functions": len(functions),
        "compiled": [name for name in compiled_here if name.startswith(str(package))],
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    sys.path[:0] = [str(folder / ".python_packages" / "lib" / "site-packages"), str(folder), sys.argv[2]]
    hook = importlib.machinery.FileFinder.path_hook(
        (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES), (Watch, [".py"])
    )
    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.clear()
    print(json.dumps(asyncio.run(start(folder, *sys.argv[3:6]))))
