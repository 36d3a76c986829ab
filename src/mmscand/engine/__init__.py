"""The decision engine: how often each page is accessed, and which pages to move."""
