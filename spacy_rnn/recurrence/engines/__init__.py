"""What executes recurrences: engines that fulfil one protocol, and the table of them."""
