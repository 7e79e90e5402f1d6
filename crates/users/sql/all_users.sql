SELECT id, handle, display_name, bio, created_at
FROM users
ORDER BY created_at, handle
