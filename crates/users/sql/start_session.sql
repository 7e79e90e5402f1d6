-- What this user left behind is swept on the way, so the table holds little more than live sessions.
WITH expired AS (
    DELETE FROM sessions WHERE user_id = $2 AND expires_at < now()
)
INSERT INTO sessions (id, user_id, expires_at)
VALUES ($1, $2, $3)
