"""The names that columns, event types and files commonly have, by what they mean. The first match is the best one."""

import re

USER = (
    "userid customerid visitorid memberid customeruniqueid accountid clientid reviewerid shopperid buyerid "
    "fullvisitorid custid householdid householdkey uid personid profileid userkey "
    "user customer visitor member household cardid loyaltyid reviewername "
    "useremail userhash hashedcustomerid"
)
ITEM = (
    "itemid productid articleid asin sku skuid stockcode movieid "
    "bookid isbn productcode parentasin artistid trackid songid goodsid "
    "materialid listingid contentid gameid recipeid businessid upc ean gtin itemcode articlecode variantid item product article "
    "artistmbid movie book artid traid itemsku productsku"
)
TIME = (
    "eventts eventtime eventtimestamp timestamp datetime time "
    "ts createdat eventdate occurredat unixreviewtime invoicedate orderdate "
    "orderpurchasetimestamp purchasedate purchasedat purchasetime transactiondate transactiondt transactiontime tdat orderedat "
    "reviewtime ratingtimestamp date day listentime playedat reviewdate servertime visittime clicktime"
)
SESSION = (
    "sessionid usersession session visitid basketid orderid invoiceno invoice transactionid receiptid orderno ordernumber cartid "
    "ticketid billno checkoutid invoiceid invoicenumber"
)
VISIT = {"sessionid", "usersession", "session", "visitid"}  # may stand for a user where there is none
EVENT_ID = "eventid id interactionid logid rowid transactionlineid orderlineid lineid uuid reviewid"
EVENT_TYPE = (
    "eventtype event type action behavior behaviour behaviortype actiontype interactiontype activity eventname interaction"
)
QUANTITY = "quantity qty units numitems itemquantity quantityordered amount count pieces"
PRICE = "price unitprice salesprice itemprice saleprice sellingprice pricepaid paidprice retailprice finalprice"
LIST_PRICE = "price listprice unitprice retailprice msrp saleprice sellingprice"
RATING = "rating stars overall ratingvalue starrating score userrating bookrating reviewscore"
TOTAL = "total totalprice linetotal salesvalue revenue sales totalamount lineamount salesamount amountpaid grosssales"
REGION = "region country storeid store state city shop location customerstate countrycode usercountry"
DEVICE = "device devicetype platform os channel saleschannelid"
SURFACE = "surface page pagetype placement referrer source"
TITLE = (
    "title productname itemname name prodname productdescription movietitle booktitle description artistname "
    "artname artist song trackname"
)
DESCRIPTION = "description detaildesc longdescription productdescription desc itemdescription details about"
DEPARTMENT = "department departmentname maincategory division indexgroupname indexname productgroup"
CATEGORY = (
    "category categoryname categorycode productcategory productcategoryname "
    "genres genre categoryid productgroupname productclass "
    "class categories aisle maincategory itemcategory departmentid"
)
SUBCATEGORY = (
    "subcategory producttypename productsubclass subcategoryname subclass producttype aisle aisleid sectionname subcategoryid"
)
BRAND = "brand brandname manufacturer maker author publisher vendor bookauthor label brandid"
IMAGE = "imageurl image imurl picture img imageurlm photo thumbnail"
AVAILABLE = "available instock isavailable active isactive instockflag"
AGE = "ageband agegroup agerange age agedesc"
GENDER = "gender sex"
INCOME = "incomeband income incomedesc incomerange"
HOUSEHOLD = "householdsize householdsizedesc familysize hhsize"
SIGNUP = "signupts signupdate registeredat registered signup joindate joinedat registrationdate membersince createdat firstseen"
CONSENT = "consent optin marketingconsent gdprconsent hasconsent"
USER_REGION = "region city state country location zip postalcode customercity customerstate zipcode residencearea"
STARTS = "startson startdate validfrom start fromdate begin begindate promostart"
ENDS = "endson enddate validto end todate until validuntil promoend"
MAILER = "mailer mailerlocation leaflet"
DISPLAY = "display displaylocation"
PERSONAL = {
    "email", "mail", "phone", "phonenumber", "mobile", "firstname", "lastname", "fullname", "surname", "address", "street", "ip",
    "ipaddress", "creditcard", "birthdate", "dateofbirth", "dob", "reviewername", "username", "password", "customername",
}  # fmt: skip

_TYPES = {
    "view": (
        "view views pageview productview detail detailview viewitem pv browse visit pageviews seen productdetail listen play"
    ),
    "click": "click clicks clk clickitem productclick tap",
    "add_to_cart": "addtocart cart add atc addcart basket addtobasket carts additem addtocarts cartadd",
    "purchase": (
        "transaction purchase buy order sale bought checkout buys purchases orders paid payment sold completed transactions"
    ),
    "impression": "impression show shown exposure imp",
    "rating": "rating rate review rated",
    "search": "search query searchproducts",
}
EVENT_TYPES = {word: kind for kind, words in _TYPES.items() for word in words.split()}
FILE_WORDS = (
    ("click", "click"), ("add_to_cart", "cart"), ("purchase", "buy"), ("purchase", "purchase"), ("purchase", "transaction"),
    ("purchase", "order"), ("purchase", "sale"), ("purchase", "invoice"), ("purchase", "receipt"), ("rating", "rating"),
    ("rating", "review"), ("view", "view"), ("view", "listen"), ("view", "play"), ("purchase", "retail"), ("purchase", "basket"),
)  # fmt: skip


def joined(name: str) -> str:
    """A name without case, spaces and signs: `Customer ID`, `customer_id` and `CustomerID` are one."""
    return re.sub(r"[\W_]", "", re.sub(r"\[\d+\]", "", name)).lower()


def find(wanted: str, columns: list[str], taken: set[str] = frozenset()) -> str | None:  # type: ignore[assignment]
    """The column that has one of the wanted names; of nested columns the last part, or the last two, count too."""
    for exact in (True, False):
        for word in wanted.split():
            for column in columns:
                parts = re.split(r"[.]", column)
                names = {joined(column)} if exact else {joined(parts[-1]), joined("".join(parts[-2:]))}
                if word in names and column not in taken:
                    return column
    return None


def is_personal(column: str) -> bool:
    """Whether a column's name says that it names a person or a place to reach one."""
    return joined(column) in PERSONAL or joined(column.split(".")[-1]) in PERSONAL
