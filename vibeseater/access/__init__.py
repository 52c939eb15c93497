"""Who may do what: roles, what each asks for, and who acts. It must not know pages, servers or how one signs in."""
