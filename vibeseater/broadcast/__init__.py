"""Broadcasting over Redis: the publisher sends a commit's events, the Hub receives them. Redis is the fast hint."""
