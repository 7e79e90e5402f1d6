SELECT id, handle, display_name, bio, created_at, password_hash
FROM users
WHERE handle = $1
