-- Oldest first, as a conversation reads. $1 now, $2 to which post, $3 how many at most
SELECT
    post.uuid,
    post.user_uuid,
    post.message,
    post.created_at,
    post.expires_at,
    post.reply_to,
    (SELECT count(*) FROM posts AS reply WHERE reply.reply_to = post.uuid) AS "replies_count!"
FROM posts AS post
WHERE post.reply_to = $2
    AND (post.expires_at IS NULL OR post.expires_at > $1)
ORDER BY post.created_at, post.uuid
LIMIT $3
