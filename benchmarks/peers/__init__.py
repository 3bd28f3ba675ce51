"""What people would otherwise put there, each as its makers show it, small and fair; one worker each.

They run in a Python environment of their own (environment.py), so that Keyward's lock knows nothing of them.
"""
