"""Where an engine's files lie below its folder."""

import os
import sys

CONFIG_FILE = "launch.json"


class Layout:
    """The paths of one engine folder: wishes in `programs`, facts in `records`, the rest beside them."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.programs = os.path.join(root, "programs")
        self.records = os.path.join(root, "records")
        self.replicas = os.path.join(root, "replicas")
        self.layers = os.path.join(root, "layers")
        self.images = os.path.join(root, "images")
        self.secrets = os.path.join(root, "secrets")
        self.python = os.path.join(root, f"python{sys.version_info[0]}.{sys.version_info[1]}")
        self.python_bin = os.path.join(self.python, "bin")

    @classmethod
    def of_replica(cls, folder: str) -> "Layout":
        """Return the layout that holds this replica's folder."""
        return cls(os.path.dirname(os.path.dirname(os.path.abspath(folder))))

    def program_file(self, program: str) -> str:
        """Return the file that tells supervisord of a program; while it stands, the program is wished for."""
        return os.path.join(self.programs, f"{program}.conf")

    def record_file(self, program: str) -> str:
        """Return the file in which the launcher writes down what it knows of its replica."""
        return os.path.join(self.records, f"{program}.json")

    def secret_file(self, program: str) -> str:
        """Return the file of a program's secrets, below a link into memory."""
        return os.path.join(self.secrets, f"{program}.json")

    def replica_folder(self, program: str) -> str:
        """Return the folder of a replica: its configuration, its log, its HOME and TMPDIR."""
        return os.path.join(self.replicas, program)

    def config_file(self, program: str) -> str:
        """Return the file from which the launcher reads what it shall run."""
        return os.path.join(self.replicas, program, CONFIG_FILE)

    def image_root(self, digest: str) -> str:
        """Return where an image lies, unpacked or not."""
        return os.path.join(self.images, digest.partition(":")[2])
