ANALYZE posts
