SELECT uuid FROM posts WHERE uuid = $1 FOR UPDATE
