//! Bytes to batches; pure, never touches a socket.
