INSERT INTO users (id, handle, email, display_name, bio, password_hash, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING id, handle, display_name, bio, created_at
