INSERT INTO posts (uuid, user_uuid, message, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5)
RETURNING uuid, user_uuid, message, created_at, expires_at, reply_to, 0::bigint AS "replies_count!"
