"""Many customers in virtual time: who comes, what the services are like that day, and what it costs."""
