SELECT id, handle, display_name, bio, created_at
FROM users
WHERE id = ANY($1)
ORDER BY handle
