//! What is due and how it is brought in: scheduler, claims, publish, one module per feed kind.
