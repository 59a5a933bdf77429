"""What people get wrong or choose differently in a loss, as options that can be tried one by one and together."""
