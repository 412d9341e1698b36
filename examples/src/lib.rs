//! Small programs that show the engine at work.
