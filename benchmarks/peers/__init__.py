"""The alternatives to Keyward's gateway, each as its makers show it, small and fair, with one worker each.

They run in a Python environment of their own (environment.py), so that Keyward's requirements do not list them.
"""
