SELECT
    number,
    TIMESTAMP '$start' AS created,
    number = 6 AS deleted,
    list_extract(['Google Ad Manager', 'Google Ad Manager (Video)', 'Freewheel', 'Landmark', 'Manual', 'Retired Server'], number) AS "Name",
    number <= 2 AS "SWM_Is_GAM__c",
    list_extract(['seil-digital', 'seil-video', 'freewheel', NULL, NULL, 'old'], number) AS vlocity_cmt__AdServerApplicationName__c,
    list_extract(['0021807464', '0021807465', '00777', NULL, NULL, 'NA'], number) AS vlocity_cmt__AdServerNetworkIdentifier__c,
    'STANDARD;SPONSORSHIP' AS vlocity_cmt__AllowedAdPriorityTypes__c
FROM range(1, 7) AS numbers(number)
