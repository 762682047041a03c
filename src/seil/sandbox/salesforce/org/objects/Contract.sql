SELECT
    contract AS number,
    order_created AS created,
    contract_deleted AS deleted,
    gone_at,
    account AS "AccountId",
    owner AS "OwnerId",
    -- Most contracts name their order; a few the one before it, which then has two; some none.
    CASE
        WHEN chance(contract, 'no order', 0.12) THEN NULL
        WHEN d > 1 AND chance(contract, 'other order', 0.04) THEN order_number - 1
        ELSE order_number
    END AS vlocity_cmt__OrderId__c,
    CASE WHEN chance(contract, 'opportunity', 0.7) THEN deal.number END AS vlocity_cmt__OpportunityId__c,
    CASE WHEN chance(contract, 'quote', 0.6) THEN quote END AS vlocity_cmt__QuoteId__c,
    price_list AS vlocity_cmt__PriceListId__c,
    CASE WHEN chance(contract, 'named', 0.8) THEN 'Contract ' || contract END AS "Name",
    lpad(CAST(contract AS VARCHAR), 8, '0') AS "ContractNumber",
    one_of(contract, 'status', ['Draft', 'In Approval Process', 'Activated', 'Activated', 'Activated', 'Terminated']) AS "Status",
    one_of(contract, 'status', ['Draft', 'InApproval', 'Activated', 'Activated', 'Activated', 'Terminated']) AS "StatusCode",
    start_date AS "StartDate",
    end_date + 30 AS "EndDate",
    1 + below(contract, 'term', 24) AS "ContractTerm",
    CASE WHEN chance(contract, 'special', 0.3) THEN odd_text(contract, 'special terms', 4000) END AS "SpecialTerms",
    CASE WHEN chance(contract, 'terminated', 0.1) THEN end_date + 5 END AS vlocity_cmt__TerminateDate__c,
    5 AS "RecordTypeId"
FROM deal
WHERE contract IS NOT NULL
