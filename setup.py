"""Put the pages' files into each built distribution; pyproject.toml says everything else."""

import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# A build runs this file without the project on the path.
sys.path.insert(0, str(Path(__file__).parent))

from web.assets import install


class BuildWithAssets(build_py):
    """Install the browser's files from npm before copying; without them every page would lack its styles."""

    def run(self) -> None:
        """Copy the packages. Raises AssetsError if there is neither npm nor an installed copy."""
        if not self.editable_mode:
            install()
        super().run()


setup(cmdclass={"build_py": BuildWithAssets})
