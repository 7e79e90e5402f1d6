INSERT INTO signing_keys (kid, pkcs8, current)
VALUES ($1, $2, true)
ON CONFLICT (current) DO NOTHING
