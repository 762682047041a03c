-- The live records that new deals can be made of, numbered from one.
CREATE TEMP TABLE pick_account AS
SELECT row_number() OVER (ORDER BY Id) AS pick, $number_of_Id AS number, CreatedDate AS created
FROM "Account"
WHERE NOT IsDeleted;

CREATE TEMP TABLE pick_user AS
SELECT row_number() OVER (ORDER BY Id) AS pick, $number_of_Id AS number
FROM "User";

CREATE TEMP TABLE pick_price_list AS
SELECT row_number() OVER (ORDER BY Id) AS pick, $number_of_Id AS number
FROM vlocity_cmt__PriceList__c
WHERE NOT IsDeleted;

CREATE TEMP TABLE pick_product AS
SELECT
    row_number() OVER (ORDER BY product.Id) AS pick,
    product.Id AS id,
    product.Name AS name,
    product.ProductCode AS code,
    coalesce(max(entry.UnitPrice), 25.00) AS price,
    max(entry.Id) AS price_book_entry,
    max(spec.Id) AS ad_space
FROM Product2 AS product
LEFT JOIN PricebookEntry AS entry ON product.Id = entry.Product2Id AND NOT entry.IsDeleted
LEFT JOIN vlocity_cmt__AdSpaceSpecification__c AS spec
    ON product.Id = spec.vlocity_cmt__Product2Id__c AND NOT spec.IsDeleted
WHERE NOT product.IsDeleted
GROUP BY product.Id, product.Name, product.ProductCode;

CREATE TEMP TABLE pick_contact AS
SELECT
    AccountId AS account,
    row_number() OVER (PARTITION BY AccountId ORDER BY Id) AS pick,
    Id AS id
FROM Contact
WHERE NOT IsDeleted AND AccountId IS NOT NULL;
