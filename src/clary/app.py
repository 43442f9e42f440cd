"""The assembly: every part of the server, in order. Start reading here."""
