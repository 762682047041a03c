WITH orders AS (
    SELECT
        id,
        ordernumber,
        name,
        vlocity_cmt__masterordername__c,
        type,
        effectivedate,
        enddate,
        status,
        vlocity_cmt__orderstatus__c,
        vlocity_cmt__fulfilmentstatus__c,
        totalamount,
        swm_one_time_total__c,
        swm_market_rate_total__c,
        swm_floor_rate_total__c,
        swm_contains_gam_lines__c,
        swm_contains_non_gam_lines__c,
        swm_gam_lines__c,
        swm_non_gam_lines__c,
        accountid,
        contractid,
        opportunityid,
        vlocity_cmt__pricelistid__c,
        quoteid,
        vlocity_cmt__quoteid__c,
        ownerid,
        createdbyid,
        createddate,
        lastmodifieddate,
        lastmodifiedbyid
    FROM salesforce."order"
    WHERE isdeleted IS NOT TRUE
),

accounts AS (
    SELECT
        id,
        name,
        op1_account_id__c,
        swm_agency_commission__c,
        swm_sales_exec_account_manager__c,
        swm_sales_coord_account_coord__c,
        swm_convergent_sales_group__c,
        vlocity_cmt__customervalue__c
    FROM salesforce.account
    WHERE isdeleted IS NOT TRUE
),

contracts AS (
    SELECT
        id,
        contractnumber,
        name,
        enddate,
        specialterms
    FROM salesforce.contract
    WHERE isdeleted IS NOT TRUE
),

opportunities AS (
    SELECT
        id,
        stagename,
        probability,
        nextstep,
        swm_currency__c,
        swm_ecpm__c,
        swm_campaign_objective__c,
        swm_campaign_type__c
    FROM salesforce.opportunity
    WHERE isdeleted IS NOT TRUE
),

price_lists AS (
    SELECT
        id,
        name
    FROM salesforce.pricelist
    WHERE isdeleted IS NOT TRUE
),

quotes AS (
    SELECT
        id,
        name,
        quotenumber,
        quotetoname,
        lineitemcount,
        vlocity_cmt__ponumber__c
    FROM salesforce.quote
    WHERE isdeleted IS NOT TRUE
),

users AS (
    SELECT
        id,
        name,
        username,
        timezonesidkey
    FROM salesforce."user"
),

order_quotes AS (
    SELECT
        orders.id AS order_id,
        COALESCE(own_quotes.id, package_quotes.id) AS quote_id
    FROM orders
    LEFT JOIN quotes AS own_quotes
        ON orders.quoteid = own_quotes.id
    LEFT JOIN quotes AS package_quotes
        ON orders.vlocity_cmt__quoteid__c = package_quotes.id
)

SELECT
    orders.id,
    orders.ordernumber AS order_id,
    COALESCE(orders.vlocity_cmt__masterordername__c, orders.name) AS order_name,
    orders.type AS order_type,
    orders.effectivedate AS order_date,
    orders.enddate AS end_date,
    orders.status,
    orders.vlocity_cmt__orderstatus__c AS order_status,
    orders.vlocity_cmt__fulfilmentstatus__c AS fulfilment_status,
    orders.totalamount AS total_amount,
    orders.swm_one_time_total__c AS one_time_total,
    orders.swm_market_rate_total__c AS market_rate_total,
    orders.swm_floor_rate_total__c AS floor_rate_total,
    orders.swm_contains_gam_lines__c AS contains_gam_lines,
    orders.swm_contains_non_gam_lines__c AS contains_non_gam_lines,
    CAST(orders.swm_gam_lines__c AS BIGINT) AS gam_lines,
    CAST(orders.swm_non_gam_lines__c AS BIGINT) AS non_gam_lines,
    accounts.id AS account_id,
    accounts.name AS account_name,
    accounts.op1_account_id__c AS legacy_account_id,
    accounts.swm_agency_commission__c AS agency_commission,
    accounts.swm_sales_exec_account_manager__c AS account_manager,
    accounts.swm_sales_coord_account_coord__c AS sales_coordinator,
    accounts.swm_convergent_sales_group__c AS convergent_sales_group,
    accounts.vlocity_cmt__customervalue__c AS customer_value,
    contracts.id AS contract_id,
    contracts.contractnumber AS contract_number,
    contracts.name AS contract_name,
    contracts.enddate AS contract_end_date,
    contracts.specialterms AS contract_special_terms,
    opportunities.id AS opportunity_id,
    opportunities.stagename AS sales_stage,
    opportunities.probability,
    opportunities.nextstep AS next_step,
    opportunities.swm_currency__c AS currency,
    opportunities.swm_ecpm__c AS ecpm,
    opportunities.swm_campaign_objective__c AS campaign_objective,
    opportunities.swm_campaign_type__c AS campaign_type,
    price_lists.id AS price_list_id,
    price_lists.name AS price_list_name,
    quotes.id AS quote_id,
    quotes.name AS quote_name,
    quotes.quotenumber AS quote_number,
    quotes.quotetoname AS quote_to_name,
    quotes.lineitemcount AS quote_line_item_count,
    quotes.vlocity_cmt__ponumber__c AS po_number,
    orders.ownerid AS owner_id,
    owners.name AS owner_name,
    orders.createdbyid AS created_by_id,
    creators.name AS created_by,
    creators.username AS created_by_username,
    creators.timezonesidkey AS created_by_time_zone,
    orders.createddate AS created_at,
    orders.lastmodifieddate AS last_modified_at,
    orders.lastmodifiedbyid AS last_modified_by_id
FROM orders
LEFT JOIN accounts
    ON orders.accountid = accounts.id
LEFT JOIN contracts
    ON orders.contractid = contracts.id
LEFT JOIN opportunities
    ON orders.opportunityid = opportunities.id
LEFT JOIN price_lists
    ON orders.vlocity_cmt__pricelistid__c = price_lists.id
LEFT JOIN order_quotes
    ON orders.id = order_quotes.order_id
LEFT JOIN quotes
    ON order_quotes.quote_id = quotes.id
LEFT JOIN users AS owners
    ON orders.ownerid = owners.id
LEFT JOIN users AS creators
    ON orders.createdbyid = creators.id
