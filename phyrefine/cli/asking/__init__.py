"""What a command line asks for: values, the scene, the settings of a run."""
