"""Networks: one diffusers `ModelMixin` a file."""
