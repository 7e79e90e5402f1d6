SELECT kid, pkcs8, coalesce(current, false) AS "current!"
FROM signing_keys
ORDER BY created_at
