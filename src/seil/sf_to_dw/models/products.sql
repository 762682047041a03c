WITH products AS (
    SELECT
        id,
        name,
        description,
        createddate,
        createdbyid,
        lastmodifieddate,
        lastmodifiedbyid,
        productcode,
        isactive,
        vlocity_cmt__type__c,
        vlocity_cmt__objecttypename__c,
        allowed_booking_type__c,
        default_booking_type__c,
        forecast_method__c,
        targeting_template__c,
        vlocity_cmt__fulfilmentstartdate__c,
        vlocity_cmt__sellingenddate__c,
        tags__c,
        sponsorship_product__c
    FROM salesforce.product
    WHERE isdeleted IS NOT TRUE
),

ad_space_specifications AS (
    SELECT
        id,
        name,
        vlocity_cmt__product2id__c
    FROM salesforce.ad_space_specification
    WHERE isdeleted IS NOT TRUE
),

ad_space_creative_size_types AS (
    SELECT
        id,
        vlocity_cmt__adspacespecificationid__c,
        vlocity_cmt__adcreativesizetypeid__c
    FROM salesforce.ad_space_creative_size_type
    WHERE isdeleted IS NOT TRUE
),

ad_creative_size_types AS (
    SELECT
        id,
        name,
        vlocity_cmt__mediatype__c,
        CAST(FLOOR(vlocity_cmt__width__c + 0.5) AS BIGINT) AS width,
        CAST(FLOOR(vlocity_cmt__height__c + 0.5) AS BIGINT) AS height,
        CAST(FLOOR(vlocity_cmt__runtime__c + 0.5) AS BIGINT) AS run_time
    FROM salesforce.ad_creative_size_type
    WHERE isdeleted IS NOT TRUE
),

users AS (
    SELECT
        id,
        name
    FROM salesforce."user"
),

formats AS (
    SELECT
        ad_space_specifications.id AS ad_space_specification_id,
        ad_space_specifications.name AS ad_space_specification_name,
        ad_space_specifications.vlocity_cmt__product2id__c AS product_id,
        ad_space_creative_size_types.id AS ad_space_creative_size_type_id,
        ad_creative_size_types.id AS creative_size_type_id,
        ad_creative_size_types.name AS creative_size_type_name,
        ad_creative_size_types.vlocity_cmt__mediatype__c AS creative_media_type,
        ad_creative_size_types.width,
        ad_creative_size_types.height,
        ad_creative_size_types.run_time,
        CASE
            WHEN STRPOS(ad_space_specifications.name, '_CTV_') > 0
                THEN 'CTV'
        END AS device
    FROM ad_space_specifications
    LEFT JOIN ad_space_creative_size_types
        ON ad_space_specifications.id
            = ad_space_creative_size_types.vlocity_cmt__adspacespecificationid__c
    LEFT JOIN ad_creative_size_types
        ON ad_space_creative_size_types.vlocity_cmt__adcreativesizetypeid__c
            = ad_creative_size_types.id
),

named_formats AS (
    SELECT
        ad_space_specification_id,
        ad_space_specification_name,
        product_id,
        ad_space_creative_size_type_id,
        creative_size_type_id,
        creative_size_type_name,
        creative_media_type,
        width,
        height,
        run_time,
        device,
        CASE
            WHEN run_time > 0
                THEN CAST(run_time AS VARCHAR) || ' | '
            ELSE ''
        END
        || CASE
            WHEN creative_media_type = 'Digital Video' AND device IS NOT NULL
                THEN device || ' | '
            ELSE ''
        END
        || CASE
            WHEN width > 0 AND height > 0
                THEN CAST(width AS VARCHAR) || 'x' || CAST(height AS VARCHAR)
            ELSE ''
        END
        || CASE
            WHEN creative_media_type = 'Digital Video'
                THEN 'v'
            ELSE ''
        END AS format_text
    FROM formats
)

SELECT
    CONCAT_WS(
        '-',
        products.id,
        named_formats.creative_size_type_id,
        named_formats.ad_space_specification_id,
        named_formats.ad_space_creative_size_type_id
    ) AS product_key,
    CASE
        WHEN named_formats.format_text <> ''
            THEN products.name || ' ' || named_formats.format_text
        ELSE products.name
    END AS product_name,
    products.id AS product_id,
    products.name AS base_product_name,
    products.productcode AS product_code,
    named_formats.ad_space_specification_id,
    named_formats.ad_space_specification_name,
    named_formats.ad_space_creative_size_type_id,
    named_formats.creative_size_type_id,
    named_formats.creative_size_type_name,
    named_formats.creative_media_type,
    named_formats.width,
    named_formats.height,
    named_formats.run_time,
    named_formats.device,
    products.description,
    products.createddate AS created_on,
    creators.name AS created_by,
    products.createdbyid AS created_by_id,
    products.lastmodifieddate AS last_modified_at,
    BUSINESS_DATE(products.lastmodifieddate) AS last_modified_date,
    modifiers.name AS last_modified_by,
    products.lastmodifiedbyid AS last_modified_by_id,
    creators.name AS product_owner,
    products.createdbyid AS product_owner_id,
    products.vlocity_cmt__type__c AS product_type,
    products.vlocity_cmt__objecttypename__c AS media_type,
    products.isactive AS product_status,
    products.allowed_booking_type__c AS allowed_booking_types,
    products.default_booking_type__c AS default_booking_type,
    products.forecast_method__c AS forecast_method,
    products.targeting_template__c AS targeting_template_name,
    BUSINESS_DATE(products.vlocity_cmt__fulfilmentstartdate__c) AS first_available_date,
    products.vlocity_cmt__fulfilmentstartdate__c AS first_available_at,
    BUSINESS_DATE(products.vlocity_cmt__sellingenddate__c) AS last_available_date,
    products.vlocity_cmt__sellingenddate__c AS last_available_at,
    products.tags__c AS tag_name,
    products.sponsorship_product__c AS sponsorship_calendar_eligible
FROM products
LEFT JOIN named_formats
    ON products.id = named_formats.product_id
LEFT JOIN users AS creators
    ON products.createdbyid = creators.id
LEFT JOIN users AS modifiers
    ON products.lastmodifiedbyid = modifiers.id
