"""One family of files or words a file: what is changed about it, and which answer is right."""
