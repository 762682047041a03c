SELECT
    number,
    product.CreatedDate AS created,
    product.IsDeleted AS deleted,
    left(product.Name, 255) AS "Name",
    1 AS "Pricebook2Id",
    number AS "Product2Id",
    product.ProductCode AS "ProductCode",
    CAST((100 + below(number, 'price', 9900)) * 0.01 AS DECIMAL(18, 2)) AS "UnitPrice",
    product.IsActive AS "IsActive",
    FALSE AS "IsArchived"
FROM Product2 AS product, LATERAL (SELECT $number_of_product_Id AS number)
