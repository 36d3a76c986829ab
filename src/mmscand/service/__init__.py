"""What a service needs beside the program: its files, where each belongs, and how it gets there."""
