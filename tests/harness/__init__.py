"""What the tests stand on: throw-away servers, the oracle, and waiting without guessing."""
