"""Do implementations of a loss compute the same function, and if not, why not?"""
