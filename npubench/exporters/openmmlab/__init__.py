"""OpenMMLab models, exported by a worker in an environment of their own."""
