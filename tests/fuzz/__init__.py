"""Broken documents by the thousand: each must be read or be refused by an error of ours, soon and in little memory."""
