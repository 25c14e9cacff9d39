"""The GraphQL door: Parse Server's GraphQL API made from the classes, and live subscriptions.

Holds: no decision is made here; every resolver calls the action that REST calls. May import live and below, api.
"""
