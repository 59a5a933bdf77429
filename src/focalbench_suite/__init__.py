"""The one name under which everything of the suite is imported.

The rooms stand at the top of the tree, where people look for them; here they are links. So `focalbench_suite.adapters`
is the folder `adapters`, and no room answers to a name of its own, which a user's project may have, too.
"""
