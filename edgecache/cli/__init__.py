"""Commands, one module each; imports are lazy, since start-up is every command's first cost."""
