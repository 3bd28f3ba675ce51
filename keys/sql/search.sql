-- Full-text search in key names. Words are in lower case and prefixed with the account's ID, so that the index finds
-- only keys of that account; 0 stands for all accounts. A query requires every word of the text, the last one as a
-- prefix; for a text without words it is NULL, which matches nothing.
CREATE FUNCTION key_words(account bigint, name text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_to_tsvector(array_remove(
        string_to_array(
            account::text || '/' || regexp_replace(lower(name), '[^[:alnum:]]+', ' ' || account::text || '/', 'g'), ' '
        ),
        account::text || '/'
    ))
$$;
CREATE FUNCTION key_words_wanted(account bigint, typed text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT string_agg(
        format('''%s/%s''%s', account, word, CASE WHEN next IS NULL THEN ':*' END), ' & '
    )::tsquery
    FROM (
        SELECT word, lead(word) OVER (ORDER BY place) AS next
        FROM regexp_split_to_table(lower(typed), '[^[:alnum:]]+') WITH ORDINALITY AS split (word, place)
        WHERE word <> ''
    ) AS words
$$;
CREATE INDEX key_by_words ON keys_key USING gin (key_words(account_id, name)) WHERE deleted_at IS NULL;
CREATE INDEX key_everywhere_by_words ON keys_key USING gin (key_words(0, name)) WHERE deleted_at IS NULL;
