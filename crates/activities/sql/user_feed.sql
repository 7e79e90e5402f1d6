-- $1 now, $2 and $3 the place to go on from, $4 how many, $5 whose
SELECT
    post.uuid,
    post.user_uuid,
    post.message,
    post.created_at,
    post.expires_at,
    post.reply_to,
    (SELECT count(*) FROM posts AS reply WHERE reply.reply_to = post.uuid) AS "replies_count!"
FROM posts AS post
WHERE post.user_uuid = $5
    AND (post.created_at, post.uuid) < ($2, $3)
    AND (post.expires_at IS NULL OR post.expires_at > $1)
ORDER BY post.created_at DESC, post.uuid DESC
LIMIT $4
