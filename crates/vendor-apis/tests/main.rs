//! What other makers' clients rely on.
