"""What is in deploy/, docker-compose.yml and the Dockerfile, checked without containers."""
