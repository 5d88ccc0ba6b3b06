# SPDX-License-Identifier: GPL-2.0-or-later
"""A sallyport whose config changes while it serves."""
import json
import os

from harness import Sallyport, address, wait_for


class Live(Sallyport):
    """A sallyport whose config file is rewritten."""

    def write(self, conf, move=True):
        text = conf if isinstance(conf, str) else json.dumps(dict(conf, admin={"address": address(self.admin)}), indent=1)
        path = self.config_path + ".new" if move else self.config_path
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        if move:
            os.rename(path, self.config_path)

    def change(self, conf, move=True, ok=True):
        name = "config_reload.success" if ok else "config_reload.rejected"
        before = self.stat(name)
        self.write(conf, move)
        wait_for("the change to be " + ("taken" if ok else "refused"), lambda: self.stat(name) > before)

    def again(self, conf):
        """The same config, told by a line more that means nothing."""
        text = json.dumps(dict(conf, admin={"address": address(self.admin)}), indent=1)
        before = self.stat("config_reload.success")
        self.n_again = getattr(self, "n_again", 0) + 1
        self.write(text + "\n" * self.n_again)
        wait_for("the change to be taken", lambda: self.stat("config_reload.success") > before)
