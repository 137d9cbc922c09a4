"""The clients, and the commands that build, lint, test and run each one. All commands run in the client's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1]


@dataclass(frozen=True)
class Client:
    """A client library and its commands.

    `quickstart` is the program that the README shows in a code block of the language `fence`; the command `run` runs it. The command
    `bench` starts a program that, for each line on stdin, fetches 64 MiB into `array` and prints the seconds. A fetch may
    take at most `max_ratio` times as long as with curl.
    """

    folder: str
    language: str
    fence: str
    quickstart: str
    build: str
    lint: str
    test: str
    run: str
    bench: str
    array: str
    max_ratio: float | None

    @property
    def path(self) -> Path:
        """The client's folder."""
        return FOLDER / self.folder


def _cargo(command: str) -> str:
    """Return a cargo command that uses the crates in Debian's packages, without network access."""
    return f"cargo {command} --config debian.toml --offline"


CLIENTS: dict[str, Client] = {
    row.folder: row
    for row in (
        Client(
            folder="python",
            language="Python",
            fence="python",
            quickstart="examples/quickstart.py",
            build="true",
            lint="ruff check . && ruff format --check . && mypy",
            test="pytest -q tests/conformance.py",
            run="python examples/quickstart.py",
            bench="python examples/fetch.py",
            array="a NumPy array",
            max_ratio=2.0,
        ),
        Client(
            folder="javascript",
            language="JavaScript",
            fence="javascript",
            quickstart="examples/quickstart.js",
            build="npm ci --silent && npm run --silent build",
            lint="npm run --silent lint",
            test="npm test --silent",
            run="node examples/quickstart.js",
            bench="node examples/fetch.js",
            array="JavaScript's Float32Array",
            max_ratio=2.0,
        ),
        Client(
            folder="go",
            language="Go",
            fence="go",
            quickstart="examples/quickstart/main.go",
            build="go build ./...",
            lint='test -z "$(gofmt -l .)" && go vet ./...',
            test="go test -count=1 ./...",
            run="go run ./examples/quickstart",
            bench="go run ./examples/fetch",
            array="Go's []float32",
            max_ratio=2.0,
        ),
        Client(
            folder="rust",
            language="Rust",
            fence="rust",
            quickstart="examples/quickstart.rs",
            build=f"{_cargo('build')} --quiet --release --examples && {_cargo('test')} --quiet --no-run",
            lint=f"cargo fmt --check && {_cargo('clippy')} --quiet --all-targets -- -D warnings"
            f" && {_cargo('clippy')} --quiet --no-default-features -- -D warnings"
            f" && RUSTDOCFLAGS='-D warnings' {_cargo('doc')} --quiet --no-deps",
            test=f'WEIGHT_INIT_URL="$(jq -r .url "$WEIGHT_INIT_STAGE")" {_cargo("test")}',  # the README's programs need it
            run=f"{_cargo('run')} --quiet --release --example quickstart",
            bench=f"{_cargo('run')} --quiet --release --example fetch",
            array="Rust's Vec<f32>",
            max_ratio=2.0,
        ),
        Client(
            folder="java",
            language="Java",
            fence="java",
            quickstart="examples/Quickstart.java",
            build="mvn -B -q -s debian-settings.xml -DskipTests package",
            lint="javac -Xlint:all -Werror --release 17 -d target/lint/classes $(find src/main -name '*.java')"
            " && javac -Xlint:all -Werror --release 17 -cp target/lint/classes -d target/lint/examples examples/*.java"
            " && javadoc -quiet -Xdoclint:all -Werror --release 17 -d target/lint/javadoc $(find src/main -name '*.java')",
            test="mvn -B -q -s debian-settings.xml test",
            run="java -cp target/classes examples/Quickstart.java",
            bench="java -Djdk.httpclient.bufsize=262144 -cp target/classes examples/Fetch.java",  # as its README advises
            array="Java's float[], read in parts of 256 KiB",
            max_ratio=2.0,
        ),
        Client(
            folder="r",
            language="R",
            fence="r",
            quickstart="examples/quickstart.R",
            build="mkdir -p build/library && R CMD INSTALL --library=build/library .",
            lint="""R_LIBS=build/library Rscript -e 'lints <- lintr::lint_dir("."); print(lints); quit(status = length(lints) > 0)'""",
            test="Rscript tests/stage/run.R",
            run="R_LIBS=build/library Rscript examples/quickstart.R",
            bench="R_LIBS=build/library Rscript examples/fetch.R",
            array="R's array, of doubles by columns",
            max_ratio=None,
        ),
        Client(
            folder="cpp",
            language="C++",
            fence="cpp",
            quickstart="examples/quickstart.cpp",
            build="cmake --preset dev && cmake --build --preset dev",
            lint="clang-format --dry-run --Werror $(find include examples tests -name '*.[ch]pp')"
            " && printf '%s\\n' examples/*.cpp tests/test_npy.cpp | xargs -P 2 -n 1 clang-tidy --quiet -p build",
            test="ctest --preset dev",
            run="build/examples/quickstart",
            bench="build/examples/fetch",
            array="C++'s std::vector<float>",
            max_ratio=2.0,
        ),
    )
}
