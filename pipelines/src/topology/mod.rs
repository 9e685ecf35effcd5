//! Services, calls between them and their arms, learned from the telemetry.
