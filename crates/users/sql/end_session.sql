UPDATE sessions
SET ended_at = now()
WHERE id = $1 AND user_id = $2 AND ended_at IS NULL
