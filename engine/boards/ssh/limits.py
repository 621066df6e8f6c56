"""How long each thing on the way to a board may take, in seconds. Read when used, so that tests can shorten them."""

CONNECT_S = 10.0  # each of: TCP, the server's greeting, keys, one login attempt, opening a channel
MATCH_S = 10.0  # for a command that a Match exec of ~/.ssh/config asks
KEEPALIVE_S = 15.0  # a board that says nothing for so long is asked whether it is there
SILENCE_S = 30.0  # one that does not answer for so long is gone
START_S = 12.0  # for a login shell to come to our command, with all that its start-up files do
CONFIRM_S = 4.0  # for a board to show that it is there while its login shell is busy
POLL_S = 0.1  # how often a stop, a limit and the connection are looked at
GRACE_S = 5.0  # between asking a remote process to end and ending it
CLOSE_S = 15.0  # for a process that stays to undo what it did once its stdin is closed
CLEANUP_S = 15.0  # for anything that tidies up after a failure; then the connection is given up
LEFT_S = 3.0  # without output after a command's end, until what it left running, which holds its streams, is ended
STALL_S = 30.0  # for the board to take the next piece of a file while the connection lives
SEND_S = 86_400.0  # for a whole file
HASH_S = 180.0  # for the board to hash a file
ASK_S = 30.0  # for small commands of our own
OUTPUT_BYTES = 64 << 20  # of either stream of one command
GREETING_BYTES = 1 << 20  # of what a login script prints before a command
